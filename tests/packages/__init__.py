"""The image, the chart and the wheel in the programs of others: `make image-test`, `make charts`, `make installers`."""
