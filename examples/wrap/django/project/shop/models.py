"""What the shop keeps."""

from django.db import models


class Product(models.Model):
    """Something to buy."""

    name = models.TextField()
