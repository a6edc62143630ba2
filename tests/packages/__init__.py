"""The image, the chart and the wheel in the programs of others: `make image-test`, `make charts`, `make installers`.

The targets set a longer time limit: `pytest -o timeout=1200`.
"""
