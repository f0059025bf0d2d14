"""Sections of the settings for whoever operates the bot."""
