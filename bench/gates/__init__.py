"""Gates: what ``--fail-if`` can ask of a report, and of the change between two.

Here lives the small grammar, and the metrics it can name. A gate reads facts alone.
"""
