"""What the account holds, seen through sectors and wallets."""
