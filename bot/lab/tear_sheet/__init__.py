"""What a report shows beyond the figures of a whole curve, and two reports side by side."""
