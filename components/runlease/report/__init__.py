"""Reports: an Access, or two and what differs, as text, Markdown, HTML or JSON. Nothing is decided here."""
