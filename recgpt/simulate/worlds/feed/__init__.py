"""Paged feed of Agent4Rec: agents browse recommended pages, watch and rate items, and leave."""
