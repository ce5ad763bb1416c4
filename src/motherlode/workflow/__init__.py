"""A whole project from one file: stages in order, each run again only when something that it depends on has changed."""
