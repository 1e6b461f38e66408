"""HRTEM: exit waves by multislice, the objective lens, the microscopes that settings are drawn from."""
