"""What `analyze` writes: coding tables, a workbook, a page, figures and a project for QDA software.

Everything is counted in one place (`tables`) and read from the same parts (`coding`), so that sums agree.
"""
