pub struct ImageSet;
