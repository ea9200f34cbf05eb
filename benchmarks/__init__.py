"""What calexnet itself costs, and studies of its promises: ``make bench``. Not installed."""
