
BlogitsJPÖL8¿\Ðp¾²¿E¿€N+¼šÞ¨¼wz)¿Fëï=ÅW¾D]?Ï©w¾³Ì"¿ÀL¾oX ¿pQd=ÚÔœ½þ”å¾ãÅ>=Ä ¿rº·>9Wj¾