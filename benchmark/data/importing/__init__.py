"""Other tools' annotations as the `folder` layout: one reader per format, one painter, one writer."""
