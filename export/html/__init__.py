"""Rendering of HTML pages, and the macros that the audit page and the bench report share."""
