"""What a user's database consists of: adopted as it is, or created where the settings say so, and never destroyed."""

import pulumi
import pulumi_postgresql as postgresql

from runlease.provision.postgres.site import Site


def lay_foundation(site: Site) -> list[pulumi.Resource]:
    """Make the database, owner and schemas named in `create:`, and the extensions; return what others wait for."""
    settings, made = site.settings, list[pulumi.Resource]()
    if "owner" in settings.create:
        owner = site.role("owner", settings.owner, _kept(site, made), inherit=False)
        made.append(owner)
    if "database" in settings.create:
        made.append(_database(site, _kept(site, made)))
    if "schemas" in settings.create:
        made += [_schema(site, schema, _kept(site, made)) for schema in settings.schemas]
    return made + [_extension(site, extension, _kept(site, made)) for extension in settings.extensions]


def _database(site: Site, opts: pulumi.ResourceOptions) -> postgresql.Database:
    # Owned by the admin: an owner that migrations run as could open the database to PUBLIC again.
    return postgresql.Database(f"{site.name}-database", name=site.settings.dbname, owner=site.settings.admin, opts=opts)


def _schema(site: Site, schema: str, opts: pulumi.ResourceOptions) -> postgresql.Schema:
    return postgresql.Schema(
        f"{site.name}-schema-{schema}",
        name=schema,
        database=site.settings.dbname,
        owner=site.settings.owner,
        opts=opts,
    )


def _extension(site: Site, extension: str, opts: pulumi.ResourceOptions) -> postgresql.Extension:
    return postgresql.Extension(
        f"{site.name}-extension-{extension}", name=extension, database=site.settings.dbname, opts=opts
    )


def _kept(site: Site, after: list[pulumi.Resource]) -> pulumi.ResourceOptions:
    return site.options(retain_on_delete=True, depends_on=list(after))
