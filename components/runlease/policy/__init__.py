"""The rules as policies of Pulumi. `judge` is pure; `pack` needs pulumi-policy, which has an environment of its own."""
