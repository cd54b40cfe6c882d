"""The page ``/dbx-agents/``: credential and status for those who use no JupyterLab.

Rendered by the server, with forms and without any script: there is nothing to build, and its
content security policy can forbid all but its one style sheet.
"""

from pathlib import Path

from .plain_page import Problem, render_page

STYLE_FILE = Path(__file__).with_name("page.css")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

__all__ = ["CONTENT_SECURITY_POLICY", "STYLE_FILE", "Problem", "render_page"]
