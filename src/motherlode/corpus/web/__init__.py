"""Raw web crawls: WARC records out of files of any condition, pages out of records, text out of pages."""
