"""The products."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table."""

    initial = True
    operations = [  # noqa: RUF012 - as Django reads it
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
                ("name", models.TextField()),
            ],
        ),
    ]
