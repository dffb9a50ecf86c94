"""What customers say of us, and how sure we can be."""

from crmkit.feedback._nps import nps

__all__ = ["nps"]
