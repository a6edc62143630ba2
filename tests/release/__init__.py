"""What a release consists of: distributions, the chart, the bill of materials and their checksums.

It is not part of the package. `make release` runs it.
"""
