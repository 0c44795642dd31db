"""Settings of the shop. The connection is libpq's service: no host, no login, no password."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "migrations sign nothing")
INSTALLED_APPS = ["shop"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {
            "service": os.environ.get("PGSERVICE", "shop"),
            "passfile": os.environ.get("PGPASSFILE", ".pgpass"),
        },
    }
}
