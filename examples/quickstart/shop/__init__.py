"""A small shop: a catalogue that can be searched, a stock in SQLite, orders and their prices."""
