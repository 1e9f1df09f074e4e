"""The pages: rendered here, whole without JavaScript."""
