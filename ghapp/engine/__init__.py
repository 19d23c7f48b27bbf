"""The loops between the ports: look and decide, judge what was asked, deliver what is owed."""
