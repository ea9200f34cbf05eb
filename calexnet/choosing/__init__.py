"""From models and labelled images to what to ship, with a certificate: ``calexnet choose``.

A pool of exits is made once (`making`), and is plain numpy from then on (`pool`). What its pieces
cost (`costs`) turns the search into arithmetic (`search`). The best few are built and measured
(`finalists`), and a chain that was fixed before says what each surely loses (`promise`). What came
of it is facts (`choice`), which `words` and `page` say.
"""
