"""Notices: telling people elsewhere (mail, chat, a pager) that something waits for them, with a link to it."""
