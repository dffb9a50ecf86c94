"""Times and memory of crmkit beside other libraries, measured side by side."""
