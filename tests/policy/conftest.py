"""Needs pulumi-policy, which pins protobuf: tests/live/test_policies.py runs it in an environment of its own."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pulumi_policy") else ["test_*.py"]
