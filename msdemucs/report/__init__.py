"""From a record to one self-contained HTML page: compute frames, paint them, fill the page."""
