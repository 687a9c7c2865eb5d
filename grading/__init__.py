"""The instructor's side of the coursework: masters, bundles, grading. Students never install it."""
