"""A logistics company's agents in a storm: who decides that medical goods wait?"""
