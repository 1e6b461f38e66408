"""HAADF and ADF: multislice, PRISM and a calibrated linear model; the scan and its noise."""
