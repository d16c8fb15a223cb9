"""One page about a whole run: `report.html`, which opens from a file and loads nothing."""

from forecast.report.page import is_report, report_page
from forecast.report.record import RunRecord

__all__ = ["RunRecord", "is_report", "report_page"]
