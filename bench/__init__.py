"""From a bundle on a device to a report: when an early-exit cascade pays there.

Here lives what measures, computes and shows, in rooms whose imports go one way: ``report`` (facts)
<- ``model`` (numbers) <- ``measuring``, ``words``, ``gates`` <- ``page``. The command line is not
here but in `calexnet.cli.bench`.
"""
