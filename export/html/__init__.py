"""Rendering of HTML pages: the base page, its style and the macros that the audit page and the bench report share."""
