"""Check an installation, and suggest fixes: `python -m api doctor`."""

from api.doctor.examination import examine
from api.doctor.finding import Finding
from api.doctor.settings import Settings

__all__ = ["Finding", "Settings", "examine"]
