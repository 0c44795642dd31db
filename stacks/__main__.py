"""One stack: settings in, components out."""

from pathlib import Path

from runlease.provision.stack import deploy

deploy(Path(__file__).parent)
