"""From masks of a beating heart to heart rate, shortening and ejection fraction, and what they are worth."""
