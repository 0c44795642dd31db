"""Grants one after the other, each safe to replace, each retried when another stack writes the same row.

GRANT rewrites a row of pg_class, pg_namespace or pg_database; two at once fail: "tuple concurrently updated".
pulumi-postgresql locks the role and not the object, so a chain orders what is in one stack and a hook retries what is
not (cyrilgdn/terraform-provider-postgresql #178). A grant is deleted before it is replaced: deleting the old one last
would revoke what the new one gave.
"""

import asyncio

import pulumi
import pulumi_postgresql as postgresql

from runlease.access import Grant, OnAll, OnDatabase, OnFuture, OnNamed, OnSchema

_RETRIES = 20
_PASSING = ("tuple concurrently updated", "deadlock detected", "could not serialize access")


def _retry_when_passing(args: pulumi.ErrorHookArgs) -> bool:
    return len(args.errors) <= _RETRIES and any(text in args.errors[0] for text in _PASSING)


class GrantChain:
    """Makes grants of one database in a fixed order; each waits for the one before."""

    def __init__(self, parent: pulumi.Resource, name: str, dbname: str, after: list[pulumi.Resource]) -> None:
        self._parent, self._name, self._dbname, self._after = parent, name, dbname, after

        async def retry(args: pulumi.ErrorHookArgs) -> bool:
            await asyncio.sleep(0.2 * len(args.errors))
            return _retry_when_passing(args)

        # Hook names are unique in a program, so the component's own name is part of it.
        self._hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"runlease:retry-grant:{name}", retry)])

    def options(self, provider: pulumi.ProviderResource | None = None) -> pulumi.ResourceOptions:
        """Options of a link in the chain, for a resource that is no grant but writes the same rows."""
        return pulumi.ResourceOptions(
            parent=self._parent,
            provider=provider,
            depends_on=self._after,
            delete_before_replace=True,
            hooks=self._hooks,
        )

    def add(self, resource: pulumi.Resource) -> None:
        """Let what follows wait for this resource."""
        self._after = [resource]

    def grant(
        self,
        suffix: str,
        grant: Grant,
        role: pulumi.Input[str],
        provider: pulumi.ProviderResource | None = None,
    ) -> None:
        """Make one grant, or one default privilege where its target is in the future. `role` is `grant.role`."""
        privileges, target = list(map(str, grant.privileges)), grant.target
        match target:
            case OnDatabase():
                self._grant(suffix, role, privileges, "database")
            case OnSchema(schema):
                self._grant(suffix, role, privileges, "schema", schema, provider=provider)
            case OnAll(kind, schema):
                self._grant(suffix, role, privileges, kind.lower(), schema)
            case OnNamed(kind, schema, names):
                self._grant(suffix, role, privileges, kind.lower(), schema, list(names), provider=provider)
            case OnFuture(kind, schema, owner):
                self.future(suffix, role, privileges, kind.lower(), owner, schema)

    def execute(
        self,
        suffix: str,
        role: pulumi.Input[str],
        schema: pulumi.Input[str],
        functions: list[str],
        provider: pulumi.ProviderResource | None = None,
    ) -> None:
        """EXECUTE on these functions and no other."""
        self._grant(suffix, role, ["EXECUTE"], "function", schema, functions, provider=provider)

    def usage(
        self, suffix: str, role: pulumi.Input[str], schema: pulumi.Input[str], provider: pulumi.ProviderResource
    ) -> None:
        """USAGE on a schema that `provider` owns."""
        self._grant(suffix, role, ["USAGE"], "schema", schema, provider=provider)

    def revoke_public(
        self,
        suffix: str,
        kind: str,
        schema: pulumi.Input[str] | None = None,
        objects: list[str] | None = None,
        dbname: str | None = None,
        provider: pulumi.ProviderResource | None = None,
    ) -> None:
        """Take every privilege on one target from PUBLIC."""
        self._grant(suffix, "public", [], kind, schema, objects, dbname, provider)

    def database(self, suffix: str, role: pulumi.Input[str], privileges: list[str]) -> None:
        """Privileges on the database itself."""
        self._grant(suffix, role, privileges, "database")

    def keep_connect(self, suffix: str, role: str, ours: pulumi.Resource) -> None:
        """CONNECT for a login that is not ours: taken away with its line in the settings, but not with `ours`.

        When all of `ours` goes it stays, because PUBLIC does not get its own back by a destroy.
        """
        self._grant(suffix, role, ["CONNECT"], "database", deleted_with=ours)

    def future(
        self,
        suffix: str,
        role: pulumi.Input[str],
        privileges: list[str],
        kind: str,
        owner: str,
        schema: str | None = None,
    ) -> None:
        """Default privileges on what `owner` will make; without a schema they hold in all, and can take from PUBLIC."""
        self.add(
            postgresql.DefaultPrivileges(
                f"{self._name}-{suffix}",
                database=self._dbname,
                owner=owner,
                role=role,
                schema=schema,
                object_type=kind,
                privileges=privileges,
                opts=self.options(),
            )
        )

    def _grant(
        self,
        suffix: str,
        role: pulumi.Input[str],
        privileges: list[str],
        kind: str,
        schema: pulumi.Input[str] | None = None,
        objects: list[str] | None = None,
        dbname: str | None = None,
        provider: pulumi.ProviderResource | None = None,
        deleted_with: pulumi.Resource | None = None,
    ) -> None:
        opts = pulumi.ResourceOptions.merge(self.options(provider), pulumi.ResourceOptions(deleted_with=deleted_with))
        self.add(
            postgresql.Grant(
                f"{self._name}-{suffix}",
                database=dbname or self._dbname,
                role=role,
                object_type=kind,
                schema=schema,
                objects=objects,
                privileges=privileges,
                opts=opts,
            )
        )
