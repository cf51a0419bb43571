"""`kedro pipes doctor`: whether both environments, and what lies between them, fit together.

Each module looks at one of these and returns what it has seen, and findings; none raises.
"""
