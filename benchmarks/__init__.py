"""Measurements that ``make bench`` prints: time, memory and speed, never part of the tests."""
