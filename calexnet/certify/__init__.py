"""What a network surely loses: exact paired tests, a chain of them, and class by class.

Here lives all that makes certificates, and nothing else makes one. Numpy alone; it knows nothing of
bundles, times and words.
"""

from calexnet.certify.chain import (
    CONFIDENCE,
    LONGEST,
    Candidate,
    Certificates,
    Chain,
    Counts,
    Link,
    Outcome,
    certify,
    counts,
    images_needed,
    lower_bound,
    p_value,
    upper_bound,
)

__all__ = [
    "CONFIDENCE",
    "LONGEST",
    "Candidate",
    "Certificates",
    "Chain",
    "Counts",
    "Link",
    "Outcome",
    "certify",
    "counts",
    "images_needed",
    "lower_bound",
    "p_value",
    "upper_bound",
]
