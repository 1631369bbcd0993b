"""Evaluations for people and programs: a table, CSV, JSON, and one page of HTML with plots and pictures."""
