"""The paged feed of Agent4Rec: agents browse what a recommender serves, watch, rate, and leave."""
