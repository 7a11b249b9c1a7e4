"""Tests of fullhost."""
