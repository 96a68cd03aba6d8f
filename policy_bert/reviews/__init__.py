"""What `review` reads and writes: human codes out of a workbook or a QDA project, their comparison, its report."""
