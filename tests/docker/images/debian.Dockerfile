# What all images here start from; the archive comes from debootstrap.
FROM scratch
ADD debian.tar /
# The authorities that this machine trusts: its way to the registries may need them.
COPY authorities.pem /etc/ssl/certs/ca-certificates.crt
CMD ["bash"]
