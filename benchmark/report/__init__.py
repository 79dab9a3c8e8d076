"""The self-contained page of `bench report`: markup, board, figures and overlays."""
