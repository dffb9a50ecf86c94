"""One table of all customers: what every topic knows of each."""

from crmkit._customers.table import Customers, customers

__all__ = ["Customers", "customers"]
