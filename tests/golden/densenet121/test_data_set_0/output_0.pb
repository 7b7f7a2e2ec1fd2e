
BlogitsJ(ñw¾ht¿ªˆ¾ìJÐ<ÍMà>§S…¾A˜?Ô9?Ç€-?œòl¿