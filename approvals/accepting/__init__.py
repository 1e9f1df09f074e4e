"""What the Responsible Individual accepts: exemptions, and the rules of deciding of an approval."""
