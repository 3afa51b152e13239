"""How the studio's actors move."""
